import { data, models, sgd, type TrainResult, train } from "../../src/browser.js";

/** What a page that trains LeNet imports; its bundle is weighed. */
export async function trainLenet(url: string): Promise<TrainResult> {
  const { trainSet, testSet } = await data.fashionMnist({ url });
  return train(models.lenet(), { trainSet, testSet, optimizer: sgd({ learningRate: 0.1 }) });
}
