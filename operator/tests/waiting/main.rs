//! The moment between a client's compare and its wait, in every order of threads (loom): no change is missed there.
//! Run it alone with `cargo test -p sluice-operator --test waiting`.

#[cfg(test)]
mod model;
