//! Old entries at other times, in other places, and for other hosts than ours.
