//! One entrance for every chore of the repository.
fn main() {}
