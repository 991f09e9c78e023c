//! Lets a new migration be noticed: it is read by a macro, which cargo cannot see.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
