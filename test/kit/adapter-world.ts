import type { z } from 'zod'
import type { Adapter, Json, SourceRecord } from '../../adapters/contract.ts'

/**
 * A small source that the kit plays with: all that a test must supply. Each one is fresh and empty, and belongs to one
 * check. Whatever the methods change is committed when they return.
 */
export interface AdapterWorld<Transport> {
  /** Settings of the feeds, as they stand in YAML. */
  readonly feeds: Readonly<Record<string, unknown>>
  /** The feed that the checks look at. */
  readonly feed: string
  /** Source keys of the records that `add` can make: at least seven. */
  readonly keys: readonly string[]
  /** Whether the feed reads again what it has reported (an overlap, a pass). The lane recognises it. */
  readonly rereads: boolean
  /** Makes the record with this key, in version 1. */
  add(key: string): Promise<void>
  /** Gives the record a version above 1. */
  change(key: string, version: number): Promise<void>
  /** The version that a record shows. */
  versionOf(record: SourceRecord): number
  remove?(key: string): Promise<void>
  /** Adds something that cannot be read. */
  spoil?(): Promise<void>
  /** From now on the source shows version 1 of the record, as a replica that lags behind does. */
  showOlder?(key: string): Promise<void>
  /** How much of what the feed has delivered is still to be settled. */
  unsettled?(): Promise<number>
  /** A new connection to the same source. */
  transport(): Promise<Transport>
  /** Worlds of the session's commands, by command. */
  readonly commands?: Readonly<Record<string, CommandWorld>>
  close(): Promise<void>
}

/** What a command acts on, as somebody who can look into the ERP sees it. */
export interface CommandWorld {
  /** Fits the command's schema and is accepted. */
  readonly input: unknown
  /** Fits the command's schema and is refused by the ERP. */
  readonly nonsense: unknown
  /** What a person saw of the document; null where there is nothing to see before. */
  readonly expect: Readonly<Record<string, Json>> | null
  /** How often the ERP did what `input` asks for. */
  effects(): number
  /** Changes the document, so that it is not what the person saw any more. */
  tamper?(): void
  /** The same, directly after the adapter's next look at it; for ERPs that compare and act in one step. */
  tamperAfterLook?(): void
  /** The next request that acts is answered by silence and takes effect only when the returned function is called. */
  delay?(): () => void
}

/** An adapter with its worlds: what the kit is given. */
export type AdapterSubject<
  Connection extends z.ZodType = z.ZodType,
  Feed extends z.ZodObject = z.ZodObject,
  Transport = unknown,
> = Readonly<{
  adapter: Adapter<Connection, Feed, Transport>
  world(): Promise<AdapterWorld<Transport>>
  /**
   * Where a check breaks off at each call or batch in turn: only at every so-manieth. For worlds that are too slow
   * for all of them in a quick test and are played through whole elsewhere. Default 1.
   */
  every?: number
}>

/** One promise of an adapter. Gives what speaks against it, in sentences; nothing where it is kept. */
export type AdapterCheck = Readonly<{
  name: string
  run(subject: AdapterSubject): Promise<readonly string[]>
}>
