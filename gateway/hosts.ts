import type { Json } from '../adapters/contract.ts'
import type { SourceMode, SourceRequest } from './lane/source.ts'

/** A source at work somewhere: in a thread of its own, or inline. */
export interface SourceHost {
  /** Throws VerbRefused, or an Error that says the source is not running. */
  request(request: SourceRequest): Promise<Json>
  /** Resolves when every lane has ended; rejects when the source crashed. */
  readonly done: Promise<void>
  /** Ends the source: lanes finish the batch under way. Resolves when it is gone. */
  stop(): Promise<void>
}

/** Starts sources. Only sources beyond `workersMax` share a thread. */
export interface SourceHosts {
  start(source: string, mode: SourceMode): SourceHost
  close(): Promise<void>
}
