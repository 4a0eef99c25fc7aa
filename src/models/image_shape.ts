/** [channels, height, width] of an image. */
export type ImageShape = readonly [channels: number, height: number, width: number];
