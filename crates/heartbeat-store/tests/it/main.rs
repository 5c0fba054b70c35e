//! Conformance of every database to the contracts of the verbs, and what is particular to one.

#[cfg(test)]
mod bare;
#[cfg(test)]
mod bell;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod files;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod history;
#[cfg(test)]
mod lost_answers;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod overspend;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sealing;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod together;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod world;
