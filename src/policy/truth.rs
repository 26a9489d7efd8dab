//! Logic with what is not known: Kleene's, with two words for the middle.

/// Whether something holds. In order, so that "and" is the least and "or" the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    False,
    /// Something matters that this program does not model.
    Unknown,
    /// It depends on what the context leaves open.
    Open,
    True,
}

impl Truth {
    pub(super) fn and(self, other: Truth) -> Truth {
        self.min(other)
    }

    pub(super) fn or(self, other: Truth) -> Truth {
        self.max(other)
    }

    /// What is uncertain stays so, for the same reason.
    pub(super) fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::True => Truth::False,
            uncertain => uncertain,
        }
    }

    /// Any of them; ends with the first that certainly holds.
    pub(super) fn any(truths: impl Iterator<Item = Truth>) -> Truth {
        let mut any = Truth::False;
        for truth in truths {
            any = any.or(truth);
            if any == Truth::True {
                break;
            }
        }
        any
    }

    /// All of them; ends with the first that certainly does not hold.
    pub(super) fn all(truths: impl Iterator<Item = Truth>) -> Truth {
        let mut all = Truth::True;
        for truth in truths {
            all = all.and(truth);
            if all == Truth::False {
                break;
            }
        }
        all
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Truth {
        if holds { Truth::True } else { Truth::False }
    }
}
