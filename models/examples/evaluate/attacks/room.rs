//! What is behind an attack: a wall with a door, shelves and a window, out of focus.

use fastrand::Rng;

use super::light::LightPicture;

/// A room, drawn by chance.
pub fn room(random: &mut Rng, width: usize, height: usize) -> LightPicture {
    let tint = |random: &mut Rng, bright: f32| {
        let base = bright * (0.7 + 0.6 * random.f32());
        [base * (0.9 + 0.2 * random.f32()), base, base * (0.8 + 0.3 * random.f32())]
    };
    let wall = tint(random, 0.3);
    let lamp = [random.f32() * width as f32, random.f32() * height as f32 * 0.5];
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let far = (x as f32 - lamp[0]).hypot(y as f32 - lamp[1]) / width as f32;
            data.push(wall.map(|v| v * (1.2 - 0.7 * far)));
        }
    }
    for _ in 0..10 {
        let bright = 0.05 + 0.4 * random.f32() * random.f32();
        let colour = tint(random, bright);
        let w = (0.05 + 0.3 * random.f32()) * width as f32;
        let h = (0.05 + 0.7 * random.f32()) * height as f32;
        let (x0, y0) = (random.f32() * width as f32 - w / 2.0, random.f32() * height as f32 - h / 2.0);
        for y in y0.max(0.0) as usize..((y0 + h).max(0.0) as usize).min(height) {
            for x in x0.max(0.0) as usize..((x0 + w).max(0.0) as usize).min(width) {
                data[y * width + x] = colour;
            }
        }
    }
    LightPicture { width, height, data }.blurred(1.0 + 2.0 * random.f32())
}
