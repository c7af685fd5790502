/** A fake QEMU for tests of the QMP client. Not shipped. */
import { Duplex } from 'node:stream';
import { QmpClient } from '../qemu/qmp.ts';

export interface QmpCommand {
  readonly execute: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly id: number;
}

export interface PlayedQmp {
  readonly client: QmpClient;
  /** What the client has sent, parsed. */
  readonly sent: QmpCommand[];
  say(text: string): void;
  end(): void;
}

type Answer = (command: QmpCommand, peer: PlayedQmp) => void;

/** @param channel the client's and QEMU's end of a socket; absent: a synchronous one in memory. */
export function playQmp(answer: Answer = () => {}, channel?: readonly [Duplex, Duplex]): PlayedQmp {
  const sent: QmpCommand[] = [];
  const hear = (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split('\n')) {
      const command = JSON.parse(line) as QmpCommand;
      sent.push(command);
      answer(command, peer);
    }
  };
  const memory = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      hear(chunk);
      done();
    },
  });
  const [near, far] = channel ?? [memory];
  far?.on('data', hear);
  const say = (text: string) => void (far === undefined ? near.push(text) : far.write(text));
  const end = () => void (far === undefined ? near.push(null) : far.end());
  const peer: PlayedQmp = { client: new QmpClient(near), sent, say, end };
  return peer;
}

/** Answers each command with what the function returns or throws; undefined sends no answer. */
export function answering(reply: (command: QmpCommand) => unknown): Answer {
  return (command, peer) => {
    const { id } = command;
    try {
      const value = reply(command);
      if (value !== undefined) peer.say(`${JSON.stringify({ return: value, id })}\n`);
    } catch (error) {
      const { name, message } = error as Error;
      const className = name === 'Error' ? 'GenericError' : name;
      peer.say(`${JSON.stringify({ error: { class: className, desc: message }, id })}\n`);
    }
  };
}
