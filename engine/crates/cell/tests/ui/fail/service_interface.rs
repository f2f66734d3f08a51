use cell::Protein;

#[derive(Protein)]
pub struct State {
    pub count: u32,
}

#[cell::service]
pub mod button_service {
    use super::State;

    #[derive(cell::Protein)]
    pub struct Sometimes {
        #[cfg(debug_assertions)]
        pub field: u32,
    }

    fn get<T>(id: T) -> State;
    fn count(id: usize) -> State;
    fn all() -> std::collections::HashMap<String, State>;
    fn press(id: String) -> u32 {
        7
    }
    #[cfg(debug_assertions)]
    fn release(id: String);
    fn twice(id: String);
    fn twice(id: u32);
    fn short(id: String) -> Result<State>;
    async fn slow() -> State;
    fn at(&self) -> State;
    fn within(frames: u16);
}

#[cell::service]
fn press() {}

#[cell::handler]
fn stray() {}

fn main() {}
