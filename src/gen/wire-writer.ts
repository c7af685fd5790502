// Written by hand: the writing half of the protobuf wire format (wire.ts).
import type { Init, Message } from './wire.ts';

/** Appends fields to one growing buffer. */
export class WireWriter {
  private buf = Buffer.allocUnsafe(128);
  private pos = 0;

  tag(value: number): this {
    return this.uint32(value);
  }

  uint32(value: number): this {
    this.reserve(5);
    let rest = value >>> 0;
    for (; rest > 127; rest >>>= 7) this.buf[this.pos++] = (rest & 127) | 128;
    this.buf[this.pos++] = rest;
    return this;
  }

  /** A negative number takes ten bytes, as the format wants it. */
  int32(value: number): this {
    return value < 0 ? this.u64(BigInt(value | 0)) : this.uint32(value);
  }

  u64(value: bigint): this {
    let rest = BigInt.asUintN(64, value);
    // Most values fit a number, which is much faster to take apart.
    if (rest <= 0xffffffffn) return this.uint32(Number(rest));
    this.reserve(10);
    for (; rest > 127n; rest >>= 7n) this.buf[this.pos++] = Number(rest & 127n) | 128;
    this.buf[this.pos++] = Number(rest);
    return this;
  }

  bool(value: boolean): this {
    return this.uint32(value ? 1 : 0);
  }

  double(value: number): this {
    this.reserve(8);
    this.pos = this.buf.writeDoubleLE(value, this.pos);
    return this;
  }

  string(value: string): this {
    const length = Buffer.byteLength(value);
    this.uint32(length);
    this.reserve(length);
    this.pos += this.buf.write(value, this.pos, length, 'utf8');
    return this;
  }

  bytes(value: Uint8Array): this {
    this.uint32(value.length);
    this.reserve(value.length);
    this.buf.set(value, this.pos);
    this.pos += value.length;
    return this;
  }

  message<T>(tag: number, codec: Message<T>, value: Init<NoInfer<T>>): this {
    const start = this.tag(tag).begin();
    codec.write(this, value);
    return this.end(start);
  }

  /** Leaves room for the length of what follows; `end` fills it in. */
  begin(): number {
    this.reserve(1);
    this.pos += 1;
    return this.pos;
  }

  end(start: number): this {
    const length = this.pos - start;
    let extra = 0;
    for (let rest = length >>> 7; rest > 0; rest >>>= 7) extra += 1;
    if (extra > 0) {
      this.reserve(extra);
      this.buf.copyWithin(start + extra, start, this.pos);
    }
    this.pos = start - 1;
    this.uint32(length);
    this.pos += length;
    return this;
  }

  /** All that was written, without a copy: the writer is done. */
  finish(): Uint8Array {
    return this.buf.subarray(0, this.pos);
  }

  private reserve(count: number): void {
    const needed = this.pos + count;
    if (needed <= this.buf.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.buf.length * 2));
    this.buf.copy(grown, 0, 0, this.pos);
    this.buf = grown;
  }
}
