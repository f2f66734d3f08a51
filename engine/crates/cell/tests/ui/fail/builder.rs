use cell::{Builder, Protein};

#[derive(Protein, Builder)]
pub struct Order {
    pub id: String,
    pub count: u32,
    pub note: Option<String>,
}

fn main() {
    let _ = Order::builder().id("start").build();
    let _ = Order::builder().id("start").count("three").build();
    let _ = Order::builder().id("start").cuont(3).build();
}
