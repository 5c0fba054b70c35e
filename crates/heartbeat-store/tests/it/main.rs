//! Conformance of every database to the contracts of the verbs, and what is particular to one.

mod conformance;
mod files;
mod groups;
mod migrations;
mod schema;
mod sealing;
mod world;
