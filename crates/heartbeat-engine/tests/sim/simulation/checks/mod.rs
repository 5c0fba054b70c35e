//! Checkers: what must hold, looked up in the database and in what the world outside saw.
//!
//! | name | what must hold |
//! |---|---|
//! | accounted | rows cover the values of the schedule without gap and without overlap |
//! | twice, overlap | one execution for each due time; one open at a time |
//! | window | runs start inside the window of the heartbeat's own zone, and only those outside skip |
//! | intent, replay, reserve | nothing is asked before it is written down, again, or unreserved |
//! | budget, held, used | no level is exceeded; what is held and used is what the rows say |
//! | fence, next, baseline, breaker | what an ending changes, and who may say so |
//! | stopped | what was asked to stop has ended within five seconds |
//! | effects | no call arrives twice that may not be repeated |
//! | outbox, delivery, rollup, leftover | what is told, carried, counted and left at the end |

pub(crate) mod accounted;
pub(crate) mod asked;
pub(crate) mod effects;
pub(crate) mod seen;
pub(crate) mod stopped;
pub(crate) mod whole;
