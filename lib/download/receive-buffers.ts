import type { Socket } from "node:net";
import { buildConnector } from "undici";

/** Bytes that sockets read into one after the other; a read gets no less room than `MIN_ROOM`. */
const SLAB_BYTES = 256 << 10;
const MIN_ROOM = 64 << 10;

/** A piece of memory that is filled from the front. */
interface Slab {
  memory: Buffer;
  filled: number;
  released: number;
  /** Nothing will be added. */
  full: boolean;
}

/**
 * The memory that sockets read into. Node makes a new buffer for every read, and for gigabytes most of the time goes
 * into making and collecting them; here a buffer is used again as soon as all that it held was released. What nobody
 * releases, such as headers, is left to the garbage collector with the slab it is in.
 */
export class ReceiveBuffers {
  readonly #free: Buffer[] = [];
  readonly #slabs = new WeakMap<ArrayBufferLike, Slab>();

  /** A way to connect for undici, by which sockets read into these buffers. */
  connector(options: buildConnector.BuildOptions): buildConnector.connector {
    return (target, callback) => {
      let socket: Socket | undefined;
      let slab = this.#take();
      const onread = {
        buffer: () => {
          if (slab.memory.length - slab.filled < MIN_ROOM) {
            slab.full = true;
            slab = this.#take();
          }
          return slab.memory.subarray(slab.filled);
        },
        callback: (bytes: number, room: Uint8Array) => {
          slab.filled += bytes;
          // A socket with buffers of one's own leaves it to this function to make it a stream.
          return socket!.push(Buffer.from(room.buffer, room.byteOffset, bytes));
        },
      };
      const connect = buildConnector({ ...options, onread });
      connect(target, (...[error, connected]) => {
        if (error) {
          callback(error, null);
          return;
        }
        socket = connected;
        callback(null, connected);
      });
    };
  }

  /** The bytes of a piece that came from a socket are needed no more. */
  release(piece: Buffer): void {
    const slab = this.#slabs.get(piece.buffer);
    if (!slab) return; // through a proxy, or joined by a stream
    slab.released += piece.length;
    if (!slab.full || slab.released < slab.filled) return;
    this.#slabs.delete(piece.buffer);
    this.#free.push(slab.memory);
  }

  #take(): Slab {
    const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    const slab = { memory, filled: 0, released: 0, full: false };
    this.#slabs.set(memory.buffer, slab);
    return slab;
  }
}
