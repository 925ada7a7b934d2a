//! Drives the real program through pipes.
