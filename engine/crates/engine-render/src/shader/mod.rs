//! Shaders: from text to pipelines, on a thread of their own.
pub(crate) mod check;
pub(crate) mod compiler;
pub(crate) mod fuel;
mod message;
pub(crate) mod pipeline;
mod scan;
pub(crate) mod state;
