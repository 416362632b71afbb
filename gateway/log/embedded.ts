import { MessageChannel, Worker } from 'node:worker_threads'
import type { FailpointSetting } from '../node/kill-failpoints.ts'
import type { Runtime } from '../runtime.ts'
import type { EmbeddedConnection } from './embedded-client.ts'
import { connectEmbeddedLog } from './embedded-client.ts'
import type { EmbeddedDescriptor, WriterReport } from './embedded-wire.ts'
import type { WriterCommand, WriterSettings } from './embedded-writer.ts'
import { LogError } from './errors.ts'

export type { EmbeddedConnection } from './embedded-client.ts'
export { connectEmbeddedLog } from './embedded-client.ts'
export { openEmbeddedReader } from './embedded-reader.ts'
export type { EmbeddedDescriptor } from './embedded-wire.ts'

export type EmbeddedLogOptions = Readonly<{
  /** Of this log alone; made (0700) where it is missing. Not on a network share: SQLite needs shared memory. */
  folder: string
  runtime: Runtime
  /** Of topics that are made from now on. */
  partitions: number
  /** Of the file of the log. The write-ahead log beside it takes up to 64 MB more. */
  diskMaxBytes: number
  /** Called once when the log has stopped for good (the disk failed, the writing thread died): end the process. */
  failed?: (error: LogError) => void
  /** Where the writing thread ends itself or the process, in tests. */
  failpoint?: FailpointSetting
}>

/**
 * The log as one SQLite file that this process alone writes, in a thread of its own: a wait for the disk (4 to 40 ms)
 * holds up no other work, and everything that arrives meanwhile shares the next one.
 */
export interface EmbeddedLog extends EmbeddedConnection {
  /**
   * For another thread: `postMessage(descriptor, [port])`, or worker data with the port in the transfer list. All of
   * `Log` works there but `subscribe`.
   */
  connect(): Readonly<{ descriptor: EmbeddedDescriptor; port: EmbeddedDescriptor['port'] }>
}

/**
 * Opens the log of this process. Throws LOG_FOLDER_UNSAFE, LOG_HELD (another process writes it), LOG_CORRUPT (never
 * begins anew over a loss), LOG_FORMAT_UNKNOWN or LOG_UNAVAILABLE (no room, no access). After an unclean stop the file is checked first.
 */
export async function createEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  const { folder, partitions, runtime } = options
  const worker = await startWriter(options)
  const connect = (deals: boolean) => {
    const { port1, port2 } = new MessageChannel()
    const command: WriterCommand = { kind: 'connect', port: port2 }
    worker.postMessage(command, [port2])
    return { descriptor: { port: port1, folder, partitions, deals }, port: port1 }
  }
  let isClosing = false
  let hasFailed = false
  const fail = (message: string, cause?: unknown) => {
    if (isClosing || hasFailed) return
    hasFailed = true
    options.failed?.(new LogError('LOG_STOPPED', message, cause))
  }
  worker.on('error', (error) =>
    fail('The thread that writes the log failed; start the gateway again.', error),
  )
  worker.on('message', (report: WriterReport) => {
    if (report.kind === 'failed') fail(report.message)
  })
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  void ended.then(() => fail('The thread that writes the log has ended; start the gateway again.'))
  const own = connectEmbeddedLog(connect(true).descriptor, runtime)
  return {
    ...own,
    connect: () => connect(false),
    async close() {
      await own.close()
      if (isClosing) return await ended
      isClosing = true
      worker.postMessage({ kind: 'close' } satisfies WriterCommand)
      await ended
    },
  }
}

async function startWriter(options: EmbeddedLogOptions): Promise<Worker> {
  const settings: WriterSettings = {
    folder: options.folder,
    diskBytesMax: options.diskMaxBytes,
    sinceMs: options.runtime.wall(),
    failpoint: options.failpoint ?? null,
  }
  // Run from the sources or from the built package.
  const file = import.meta.url.endsWith('.ts') ? './embedded-writer.ts' : './embedded-writer.js'
  const worker = new Worker(new URL(file, import.meta.url), { workerData: settings, name: 'log-writer' })
  const report = await new Promise<WriterReport>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () =>
      reject(new LogError('LOG_STOPPED', 'The thread that writes the log did not start.')),
    )
  })
  worker.removeAllListeners('error')
  worker.removeAllListeners('exit')
  if (report.kind === 'ready') return worker
  await worker.terminate()
  throw new LogError(report.code, report.message)
}
