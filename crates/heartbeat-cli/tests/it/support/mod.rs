//! What every test stands on.

pub(crate) mod api;
pub(crate) mod client;
pub(crate) mod dialect;
pub(crate) mod home;
pub(crate) mod receiver;
pub(crate) mod server;
pub(crate) mod turn;
pub(crate) mod visitor;
pub(crate) mod wait;
