import type Koffi from "koffi";
import { UserError } from "../core/errors.js";
import type { MpiName } from "./launcher.js";

type Ffi = typeof Koffi;
type Library = ReturnType<Ffi["load"]>;

/** What a program has to know of an implementation, since the standard left it open before MPI 5. */
interface Abi {
  readonly title: string;
  readonly files: readonly string[];
  readonly packages: string;
  /** How C calls a handle. */
  readonly handle: string;
  readonly inPlace: bigint;
  readonly anySource: number;
  readonly ignoredStatus: bigint;
  /** A symbol whose address is the handle, or the handle itself. */
  readonly handles: Readonly<Record<HandleName, string | number>>;
}

type HandleName = "world" | "byte" | "float" | "double" | "sum" | "errorsReturn";

const abis: Readonly<Record<MpiName, Abi>> = {
  openmpi: {
    title: "Open MPI",
    files: ["libmpi.so.40", "libmpi.so"],
    packages: "openmpi-bin libopenmpi-dev",
    handle: "void *",
    inPlace: 1n,
    anySource: -1,
    ignoredStatus: 0n,
    handles: {
      world: "ompi_mpi_comm_world",
      byte: "ompi_mpi_byte",
      float: "ompi_mpi_float",
      double: "ompi_mpi_double",
      sum: "ompi_mpi_op_sum",
      errorsReturn: "ompi_mpi_errors_return",
    },
  },
  mpich: {
    title: "MPICH",
    files: ["libmpich.so.12", "libmpi.so.12"],
    packages: "mpich",
    handle: "int",
    inPlace: 0xffffffffffffffffn,
    anySource: -2,
    ignoredStatus: 1n,
    handles: {
      world: 0x44000000,
      byte: 0x4c00010d,
      float: 0x4c00040a,
      double: 0x4c00080b,
      sum: 0x58000003,
      errorsReturn: 0x54000001,
    },
  },
};

type Handle = bigint | number;
/** Memory that a call reads or writes: a typed array, or an address. */
export type Memory = ArrayBufferView | bigint;

/** What is used of MPI, as C declares it; each returns an error code. `H` stands for a handle. */
const declarations = {
  MPI_Init_thread: "int MPI_Init_thread(void *, void *, int, void *)",
  MPI_Finalize: "int MPI_Finalize()",
  MPI_Comm_rank: "int MPI_Comm_rank(H, void *)",
  MPI_Comm_size: "int MPI_Comm_size(H, void *)",
  MPI_Comm_set_errhandler: "int MPI_Comm_set_errhandler(H, H)",
  MPI_Error_string: "int MPI_Error_string(int, void *, void *)",
  MPI_Allreduce: "int MPI_Allreduce(void *, void *, int, H, H, H)",
  MPI_Bcast: "int MPI_Bcast(void *, int, H, int, H)",
  MPI_Ibarrier: "int MPI_Ibarrier(H, void *)",
  MPI_Test: "int MPI_Test(void *, void *, void *)",
  MPI_Iprobe: "int MPI_Iprobe(int, int, H, void *, void *)",
  MPI_Recv: "int MPI_Recv(void *, int, H, int, int, H, void *)",
  MPI_Issend: "int MPI_Issend(void *, int, H, int, int, H, void *)",
} as const;

/** MPI_THREAD_FUNNELED, in both. */
const threadFunneled = 1;

/** An MPI library in this thread, which alone may call it. */
export class MpiLibrary {
  readonly inPlace: bigint;
  readonly anySource: number;
  readonly ignoredStatus: bigint;
  readonly handles: Readonly<Record<HandleName, Handle>>;
  private readonly functions: ReadonlyMap<string, (...args: unknown[]) => number>;

  private constructor(
    abi: Abi,
    library: Library,
    koffi: Ffi,
    /** As it calls itself, such as "Open MPI 4.1.4". */
    readonly version: string,
  ) {
    this.inPlace = abi.inPlace;
    this.anySource = abi.anySource;
    this.ignoredStatus = abi.ignoredStatus;
    const resolve = (from: string | number): Handle =>
      typeof from === "number" ? from : koffi.address(library.symbol(from, "char"));
    this.handles = Object.fromEntries(
      Object.entries(abi.handles).map(([name, from]) => [name, resolve(from)]),
    ) as Record<HandleName, Handle>;
    this.functions = new Map(
      Object.entries(declarations).map(([name, declaration]) => [
        name,
        library.func(declaration.replaceAll("H", abi.handle)),
      ]),
    );
  }

  /**
   * Loads one of these implementations, the first that is installed. Throws a UserError that says what to install where
   * there is none.
   */
  static load(koffi: Ffi, names: readonly MpiName[]): MpiLibrary {
    const tried: string[] = [];
    for (const name of names) {
      const abi = abis[name];
      for (const file of abi.files) {
        try {
          // Plugins of theirs look for the library's own symbols.
          const library = koffi.load(file, { global: true, lazy: true });
          const version = versionOf(library);
          if (isOf(name, version)) return new MpiLibrary(abi, library, koffi, version);
          tried.push(`${file} is ${version}`);
        } catch (error) {
          tried.push((error as Error).message.split("\n")[0]!);
        }
      }
    }
    const remedies = names.map((name) => `${abis[name].title} by apt-get install ${abis[name].packages}`);
    throw new UserError(
      `${names.map((name) => abis[name].title).join(" and ")} cannot be loaded (${tried.join("; ")}): install ${remedies.join(", or ")}`,
    );
  }

  /** Calls a function. Throws an Error in the library's words where it fails. */
  call(name: keyof typeof declarations, ...args: readonly (Memory | Handle | null)[]): void {
    const code = this.functions.get(name)!(...args);
    if (code === 0) return;
    const text = new Uint8Array(1024);
    const length = new Int32Array(1);
    this.functions.get("MPI_Error_string")!(code, text, length);
    throw new Error(`${name}: ${new TextDecoder().decode(text.subarray(0, length[0]))}`);
  }

  /** Joins the others; errors are returned from then on instead of ending the process. */
  start(): { rank: number; size: number } {
    this.call("MPI_Init_thread", null, null, threadFunneled, new Int32Array(1));
    this.call("MPI_Comm_set_errhandler", this.handles.world, this.handles.errorsReturn);
    const [rank, size] = [new Int32Array(1), new Int32Array(1)];
    this.call("MPI_Comm_rank", this.handles.world, rank);
    this.call("MPI_Comm_size", this.handles.world, size);
    return { rank: rank[0]!, size: size[0]! };
  }
}

/** The first words of the library's own description; it may be asked before it is started. */
function versionOf(library: Library): string {
  const text = new Uint8Array(8192);
  const length = new Int32Array(1);
  library.func("int MPI_Get_library_version(void *, void *)")(text, length);
  const [line = ""] = new TextDecoder().decode(text.subarray(0, length[0])).split("\n");
  const [, title, version] =
    /^(Open MPI v|MPICH Version:\s*|Intel\(R\) MPI Library )([\w.-]+)/.exec(line) ?? [];
  if (title === undefined) return line.replaceAll("\0", "").slice(0, 60);
  return `${title.startsWith("Open") ? "Open MPI" : title.startsWith("MPICH") ? "MPICH" : "Intel MPI"} ${version}`;
}

function isOf(name: MpiName, version: string): boolean {
  // Intel's has MPICH's binary interface.
  return name === "openmpi" ? version.startsWith("Open MPI") : /^(MPICH|Intel MPI)/.test(version);
}
