const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Of devices, images, files and runs that are kept. */
export const english = {
  editorNote: "Tab leaves the editor.",
  noGpu: "No GPU for WebGPU was found here, so WebAssembly trains in its place.",
  standsIn: (name: string, reason: string) =>
    `What was asked for cannot be had, so ${name} trains: ${reason}.`,
  oneThread: "One thread, since this host does not send the headers that threads need (COOP and COEP).",
  loading: (received: number, total: number | undefined) =>
    `Loading the images: ${megabytes(received)}${total === undefined ? "" : ` of ${megabytes(total)}`} MB`,
  interrupted: (step: number) =>
    `This run was broken off. Press Go on to train from step ${step}, to the same curve.`,
  stoppedAt: (step: number) => `Stopped. Go on trains from step ${step}.`,
  goesOnFrom: (step: number) => ` Press Go on to train from step ${step}.`,
  loaderShare: "Loader",
  gpuMemory: "GPU memory",
  gigabytes: (bytes: number) =>
    bytes < 1e9 ? `${(bytes / 1e6).toFixed(0)} MB` : `${(bytes / 1e9).toFixed(2)} GB`,
  percent,
  data: "Data",
  dataSource: "Images from",
  sample: "the sample of this page",
  ownFiles: "files of your own",
  fromAddress: "an address",
  dropFiles:
    "Drop the set's four IDX files anywhere in this box, gzipped or not, or choose them. They stay in this browser.",
  chooseFiles: "Choose files",
  address: "Address of a folder with the set's four files",
  load: "Load",
  noFiles: "The images are to come from files of your own: choose the set's four files under Data.",
  noAddress: "The images are to come from an address: give it under Data.",
  badAddress: (text: string) =>
    `"${text}" is no address: give one that begins with https:// or a path of this host.`,
  imagesAre: (train: string, test: string) => `${train} training and ${test} test images.`,
  files: "Weights",
  filesNote:
    "Weights are safetensors by PyTorch's names for the same nn.Sequential. Those of a file are tried on the test images, and training begins with them.",
  saveWeights: "Save weights",
  saveOnnx: "Save ONNX",
  loadWeights: "Open weights",
  forgetWeights: "Random weights again",
  tryingWeights: (name: string) => `Trying ${name}`,
  beginsWith: (name: string, accuracy: number) =>
    `${name} fits: test accuracy ${accuracy.toFixed(3)}. Training begins with it.`,
  runs: "Runs",
  run: "Run",
  take: "Settings",
  takeSettings: (name: string) => `Take the settings of ${name}`,
  now: "now",
};

export const chinese: typeof english = {
  editorNote: "按 Tab 键离开编辑器。",
  noGpu: "此处没有可用于 WebGPU 的显卡，改由 WebAssembly 训练。",
  standsIn: (name, reason) => `所选设备不可用，改由 ${name} 训练：${reason}。`,
  oneThread: "仅用一个线程：此主机未发送多线程所需的响应头（COOP 与 COEP）。",
  loading: (received, total) =>
    `正在载入图像：${megabytes(received)}${total === undefined ? "" : ` / ${megabytes(total)}`} MB`,
  interrupted: (step) => `此次运行曾中断。按“继续”从第 ${step} 步接着训练，曲线不变。`,
  stoppedAt: (step) => `已停止。按“继续”从第 ${step} 步接着训练。`,
  goesOnFrom: (step) => ` 按“继续”从第 ${step} 步接着训练。`,
  loaderShare: "数据加载",
  gpuMemory: "显存",
  gigabytes: english.gigabytes,
  percent,
  data: "数据",
  dataSource: "图像来源",
  sample: "本页自带的样本",
  ownFiles: "您自己的文件",
  fromAddress: "网址",
  dropFiles: "将数据集的四个 IDX 文件（可为 gzip）拖入此框，或点击选择。文件只留在本浏览器中。",
  chooseFiles: "选择文件",
  address: "含数据集四个文件的文件夹地址",
  load: "载入",
  noFiles: "图像来源设为您自己的文件：请在“数据”中选择数据集的四个文件。",
  noAddress: "图像来源设为网址：请在“数据”中填写。",
  badAddress: (text) => `“${text}”不是网址：请以 https:// 开头，或填写本主机上的路径。`,
  imagesAre: (train, test) => `${train} 张训练图像，${test} 张测试图像。`,
  files: "权重",
  filesNote:
    "权重为 safetensors 格式，名称与 PyTorch 中同样的 nn.Sequential 一致。打开的权重先在测试图像上检验，训练由其开始。",
  saveWeights: "保存权重",
  saveOnnx: "保存 ONNX",
  loadWeights: "打开权重",
  forgetWeights: "重新随机初始化",
  tryingWeights: (name) => `正在检验 ${name}`,
  beginsWith: (name, accuracy) => `${name} 吻合：测试精度 ${accuracy.toFixed(3)}。训练将由其开始。`,
  runs: "历次运行",
  run: "运行",
  take: "设置",
  takeSettings: (name) => `采用 ${name} 的设置`,
  now: "当前",
};
