// What a user writes, against the packed package: `scripts/check_package.sh` checks it with every compiler.
import { type data, evaluateModel, matmul, models, nn, randn, sgd, type Tensor, train } from "flybrick";
import { sequential } from "flybrick/nn";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <_ extends true>(): void => {};

const lenet = nn.sequential(
  [1, 28, 28],
  nn.conv2d(1, 6, { kernelSize: 5, padding: 2 }),
  nn.sigmoid(),
  nn.avgPool2d({ kernelSize: 2, stride: 2 }),
  nn.conv2d(6, 16, { kernelSize: 5 }),
  nn.sigmoid(),
  nn.avgPool2d({ kernelSize: 2, stride: 2 }),
  nn.flatten(),
  nn.linear(400, 120),
  nn.sigmoid(),
  nn.linear(120, 10),
);
same<Same<typeof lenet, nn.Sequential<[1, 28, 28], [10]>>>();
// @ts-expect-error layer 1: Linear expects 9216 input features but receives 784
export const wrong = () => sequential([1, 28, 28], nn.flatten(), nn.linear(9216, 10));

const y = lenet.forward(randn([2, 1, 28, 28]));
same<Same<typeof y, Tensor<[number, 10], "f32">>>();
const z = randn([2, 3])
  .matmul(randn([3, 4]))
  .sum({ axes: 1, keepDims: true });
same<Same<typeof z, Tensor<[2, 1], "f32">>>();
// @ts-expect-error matmul: [2, 3] has 3 columns, [2, 3] has 2 rows; they must be equal
export const product = () => matmul(randn([2, 3]), randn([2, 3]));

type Large = Awaited<ReturnType<typeof data.fashionMnist<224>>>;
export async function learn({ trainSet, testSet }: Large): Promise<void> {
  await train(models.alexnet(), { trainSet, testSet, optimizer: sgd({ learningRate: 0.01 }) });
  // @ts-expect-error set: Sequential expects [1, 28, 28] but receives [1, 224, 224]
  await evaluateModel(lenet, testSet);
}

// Plain shapes work too.
let x: Tensor = randn([1, 1, 28, 28].map(Number));
for (const layer of lenet) x = layer.forward(x);
if (`${x.shape}` !== "1,10") throw new Error(`the network gives ${x.shape}`);
