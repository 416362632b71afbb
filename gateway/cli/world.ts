import type { Config } from '../config/model.ts'
import type { SecretCheck } from '../config/references.ts'
import type { ControlAnswer, ControlRequest } from '../control/protocol.ts'
import type { Gateway } from '../gateway.ts'
import type { Source } from '../lane/source.ts'
import type { Language } from '../language.ts'
import type { LogInspector } from '../log/reader.ts'
import type { Files, Secrets } from '../ports.ts'
import type { Logger, Runtime } from '../runtime.ts'

/** A gateway of this process, with the log's lock taken. */
export type OpenGateway = Readonly<{
  gateway: Gateway
  logger: Logger
  /** Listens on the control socket until `close`. */
  serve(): Promise<void>
  close(): Promise<void>
}>

/** All that the command line knows of the world outside; `main.ts` makes the real one. */
export type World = Readonly<{
  /** Without program and script. */
  argv: readonly string[]
  folder: string
  /** Of the installed package: schemas, version. */
  packageFolder: string
  version: string
  /** Who types, for the record of decisions. */
  user: string
  isTerminal: boolean
  /** Characters of a line of the terminal. */
  columns: number
  out(text: string): void
  err(text: string): void
  /** Aborts when the process is asked to end. */
  signal: AbortSignal
  runtime: Runtime
  files: Files
  secrets: Secrets & SecretCheck
  /** Writes a file that is not there yet; false when it is. */
  writeNew(path: string, text: string): boolean
  /** Why the gateway's data cannot be kept in this folder, which need not be there yet; null where nothing is wrong. */
  folderProblem(folder: string): string | null
  /** Makes that folder where it is not there. Why that cannot be, or null. */
  makeDataFolder(folder: string): string | null
  /** Asks the gateway that runs with this config; null when none does. */
  ask(config: Config, request: ControlRequest): Promise<ControlAnswer | null>
  /** Opens a gateway in this process, in a data folder that is there. Throws LogError when another process holds the log. */
  open(config: Config, language: Language): Promise<OpenGateway>
  /** A source without log or lanes' past: it can be checked and previewed, beside a running gateway too. */
  inspect(config: Config, language: Language, source: string): Source
  /** The log as it can be read beside a running gateway. */
  readLog(config: Config): LogInspector
}>
