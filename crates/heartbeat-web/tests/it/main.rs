//! The pages over a real database: who gets in, what forms need, and what is shown.

mod forms;
mod guard;
mod live;
mod login;
mod pages;
mod story;
mod world;
