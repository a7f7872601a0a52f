//! The native core of django-cachex.

pub mod wire;
