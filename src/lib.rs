//! The native core of django-cachex. ARCHITECTURE.md says what is where.

pub mod compression;
pub mod wire;

#[cfg(feature = "python")]
mod argument;
#[cfg(feature = "python")]
mod batch;
#[cfg(feature = "python")]
mod blocking;
#[cfg(feature = "python")]
mod codec;
#[cfg(feature = "python")]
mod command;
#[cfg(feature = "python")]
mod compressors;
#[cfg(feature = "python")]
mod config;
#[cfg(feature = "python")]
mod control;
#[cfg(feature = "python")]
mod engine;
#[cfg(feature = "python")]
mod errors;
#[cfg(feature = "python")]
mod fork;
#[cfg(feature = "python")]
mod growing;
#[cfg(feature = "python")]
mod imports;
#[cfg(feature = "python")]
mod injection;
#[cfg(feature = "python")]
mod keys;
#[cfg(feature = "python")]
mod looped;
#[cfg(feature = "python")]
mod module;
#[cfg(feature = "python")]
mod node;
#[cfg(feature = "python")]
mod passage;
#[cfg(feature = "python")]
mod pickle;
#[cfg(feature = "python")]
mod reading;
#[cfg(feature = "python")]
mod registry;
#[cfg(feature = "python")]
mod reply;
#[cfg(feature = "python")]
mod request;
#[cfg(feature = "python")]
mod retry;
#[cfg(feature = "python")]
mod seal;
#[cfg(feature = "python")]
mod shortcut;
#[cfg(feature = "python")]
mod slots;
#[cfg(feature = "python")]
mod spec;
#[cfg(feature = "python")]
mod spread;
#[cfg(feature = "python")]
mod sync;
#[cfg(feature = "python")]
mod target;
mod tls;
#[cfg(feature = "python")]
mod topology;
#[cfg(feature = "python")]
mod transport;
#[cfg(feature = "python")]
mod values;
#[cfg(feature = "python")]
mod watch;
