//! The contracts of the verbs, group by group; each case runs on every database.

pub(crate) mod fires;
