export { encodeOnnx } from "flybrick";
