//! Empty: without a build script cargo leaves the features of build dependencies out of its sums.
fn main() {}
