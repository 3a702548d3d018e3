//! What is refused of what people write, and what they are warned of, in the words that conditions carry.
//! It decides by the code that the reconciler decides by, and looks at one object among those that matter to it.

mod fleet;
mod stream;
mod unwise;

use crate::resolve::Refusal;

pub(crate) use fleet::review as fleet;
pub(crate) use stream::review as stream;

/// What a review says where not everything was listed yet.
const NOT_CHECKED: &str = "not checked: the operator is starting; the object's conditions will tell";

/// What is said of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is refused; absent: it is not.
    pub refusal: Option<Refusal>,
    /// What whoever wrote it should know.
    pub warnings: Vec<String>,
}

impl Verdict {
    fn warning(text: impl Into<String>) -> Self {
        Self { refusal: None, warnings: vec![text.into()] }
    }
}

#[cfg(test)]
mod tests;
