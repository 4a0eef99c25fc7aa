import { extname } from "node:path";
import { type Command, Option } from "commander";
import { UserError } from "../core/errors.js";
import { onnxOpset } from "../deploy/onnx.js";
import { exportOnnx } from "../deploy/onnx_file.js";
import { loadTrained } from "../deploy/saved_run.js";
import { openDevice } from "../devices/open.js";
import { useDevice } from "../tensor/evaluate.js";
import { saveWeights } from "../train/weights_file.js";
import { weightsOption } from "./options.js";
import { printJson } from "./reporters.js";

const formats = ["onnx", "safetensors"] as const;
type Format = (typeof formats)[number];

interface ExportFlags {
  out: string;
  format?: Format;
  weights?: string;
  json?: true;
}

export function addExport(program: Command): void {
  program
    .command("export")
    .description("write a run's network for other programs: ONNX, or its weights as safetensors")
    .argument("<run>", "run directory, or lenet for the weights that ship")
    .requiredOption("--out <file>", "file to write")
    .option(...weightsOption)
    .addOption(
      new Option("--format <name>", "what to write (default: by the file's ending)").choices(formats),
    )
    .option("--json", "print one JSON object and nothing else")
    .action(async (run: string, { out, json, ...flags }: ExportFlags) => {
      const format = flags.format ?? formatOf(out);
      useDevice(await openDevice("auto"));
      const { net, normalization, classNames } = await loadTrained(run, flags);
      if (format === "onnx") await exportOnnx(net, out, { normalization, classNames });
      else await saveWeights(net, out);
      if (json) printJson({ run, format, out, ...(format === "onnx" ? { opset: onnxOpset } : {}) });
      else if (format === "safetensors")
        console.log(`${out} holds ${net.namedParameters().size} tensors under PyTorch's names.`);
      else {
        const sizes = net.inputShape.join(", ");
        console.log(
          `${out} (ONNX, opset ${onnxOpset}) takes input [batch, ${sizes}], pixels in [0, 1]` +
            `${normalization ? ", which it normalizes itself" : ""}, and gives output [batch, ${classNames.length}], ` +
            "one logit a class.",
        );
      }
    });
}

function formatOf(out: string): Format {
  const format = formats.find((name) => extname(out) === `.${name}`);
  if (!format) throw new UserError(`${out} ends neither in .onnx nor in .safetensors: say which by --format`);
  return format;
}
