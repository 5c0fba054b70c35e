//! The pages, one file each: what it reads, what it shows, and what its forms do.

pub(crate) mod agent;
pub(crate) mod execution;
pub(crate) mod heartbeat;
pub(crate) mod home;
pub(crate) mod inbox;
pub(crate) mod live;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod nodes;
pub(crate) mod paging;
pub(crate) mod pause;
pub(crate) mod tools;
pub(crate) mod usage;
