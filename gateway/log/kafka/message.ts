import type { KafkaCall } from './client.ts'
import { WireReader, WireWriter } from './wire.ts'

/**
 * A request of the protocol and its answer. Versions are the oldest that say what is needed and that Kafka 3.9 to 4.x
 * all speak; most are of the older, inflexible encoding.
 */
export type Message<Request, Answer> = Readonly<{
  call: KafkaCall
  encode(request: Request): Buffer
  /** Throws RangeError where the answer is cut or means something else. */
  decode(body: Buffer): Answer
}>

/** Error codes (`codes.ts`) are values of an answer: each caller knows what they mean to it. */
export type Coded = Readonly<{ error: number }>

export function message<Request, Answer>(
  [name, apiKey, version, encoding]: readonly [string, number, number, ('flexible' | 'inflexible')?],
  encode: (to: WireWriter, request: Request) => void,
  decode: (from: WireReader) => Answer,
): Message<Request, Answer> {
  return {
    call: { name, apiKey, version, isFlexible: encoding === 'flexible' },
    encode(request) {
      const writer = new WireWriter()
      encode(writer, request)
      return writer.written()
    },
    decode: (body) => decode(new WireReader(body)),
  }
}

/** An answer that is an error code alone. */
export function readError(from: WireReader): Coded {
  passThrottle(from)
  return { error: from.int16() }
}

/** An answer that is an error code for each partition. */
export function readPartitionErrors(
  from: WireReader,
): readonly (Coded & Readonly<{ topic: string; partition: number }>)[] {
  passThrottle(from)
  const topics = from.array(() => {
    const topic = from.string()
    return from.array(() => ({ topic, partition: from.int32(), error: from.int16() }))
  })
  return topics.flat()
}

/** How long the broker held the answer back; it has waited already. */
export function passThrottle(from: WireReader): void {
  from.int32()
}
