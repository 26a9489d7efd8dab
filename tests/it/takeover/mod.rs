//! Taking over what commcare-cloud's roles left: on hosts with the old entries of real environments, at every state that a
//! crash can leave, by a simulation that knows nothing of how the program recognises them.

mod cases;
mod hosts;
mod jobs;
mod moves;
