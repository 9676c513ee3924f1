// Draws a picture from bytes in the order (channels, height, width).

export function paintPixels(canvas, pixels, [channels, height, width]) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const area = width * height;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[(channels === 1 ? 0 : c) * area + i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
