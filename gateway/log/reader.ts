import type { Chunk, Log, TopicPartition, TopicSpec, TopicState } from './port.ts'

/** What a program that only looks can do with a log that another process writes: read what is committed. */
export interface LogReader extends Pick<Log, 'end' | 'readTo' | 'position' | 'close'> {
  topics(): Promise<readonly Readonly<{ name: string; partitions: number }>[]>
  /** Reads on from a position and waits for more, until the signal aborts. */
  follow(partition: TopicPartition, from: number, signal: AbortSignal): AsyncIterable<Chunk>
}

/** Looks at the topics themselves as well. */
export interface LogInspector extends LogReader {
  /** What those of the topics that are there are, and what they lack. Makes none and changes none. */
  states(topics: readonly TopicSpec[], signal: AbortSignal): Promise<readonly TopicState[]>
}
