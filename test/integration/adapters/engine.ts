import type { Context } from '../../../adapters/contract.ts'
import type { Snapshot, Transport } from '../../../adapters/database/transport.ts'
import type { Edge } from '../../adapters/database/edges.ts'
import type { TableSource } from '../../adapters/database/tables.ts'
import type { Words } from '../../adapters/database/words.ts'

/** A real server of an engine, and what a test must say to it in its own way. */
export type Engine = Readonly<{
  words: Words
  edges: readonly Edge[]
  /** An empty database of its own. */
  database(): Promise<EngineDatabase>
  /** An empty schema, for many tests at little cost. */
  source(): Promise<TableSource>
  /** What the identity of a database looks like. */
  identity: RegExp
  /** Statements that make an account which may read a table and nothing else, and that drop it. */
  reader(name: string, password: string, table: string | null): readonly string[]
  dropReader(name: string): readonly string[]
  /** The code of the error where an account asks for a database that is not there. */
  missingDatabase: string
  /** Statements that make a function `spill`, which deletes the rows of `doc`; and selects that would change something. */
  spill: readonly string[]
  writes: readonly string[]
  /** A select of a row `no` that takes half a minute. */
  sleeps: string
  /** Statements after which the server knows how large a table is. */
  analyze(table: string): string
  /** How the server would read a page, in its own words; `byIndex` knows a range of an index, `sorts` a sort. */
  plan(snapshot: Snapshot, text: string, parameters: readonly (string | null)[]): Promise<string>
  byIndex: RegExp
  sorts: RegExp
  /** Queries of one text: the file of the authority of its certificates, and the cipher of this connection. */
  authority: string
  cipher: string
}>

/** A database; `await using` drops it. */
export type EngineDatabase = Readonly<{
  name: string
  /** Of an account that may do everything. */
  url: string
  /** Connects the adapter. */
  connect(settings?: Readonly<Record<string, unknown>>, context?: Partial<Context>): Promise<Transport>
  /** A connection of the ERP's own. */
  erp(): Promise<Erp>
  /** Ends all connections of the adapter to it. */
  breakOff(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}>

/** Names stand in brackets in its statements. */
export type Erp = Readonly<{
  run(...statements: readonly string[]): Promise<void>
  begin(): Promise<void>
  commit(): Promise<void>
  rows(query: string): Promise<readonly (readonly (string | null)[])[]>
  end(): Promise<void>
}>
