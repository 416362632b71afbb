import { hash } from 'node:crypto'
import { chmodSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { ControlAnswer, ControlRequest } from '../control/protocol.ts'
import { printableJson } from '../json-text.ts'

/** A request or answer is one line of JSON; longer ones are refused. */
const LINE_BYTES_MAX = 8_000_000

/** How long a verb may take, a preview of a slow ERP included. */
const ANSWER_MS = 300_000

/** Paths of Unix sockets are short: 108 bytes with the final zero on Linux. */
const PATH_BYTES_MAX = 100

/** Where the gateway with this data folder listens; on Windows a named pipe. */
export function controlPath(dataFolder: string, platform: string, temporaryFolder: string): string {
  const short = hash('sha256', dataFolder).slice(0, 16)
  if (platform === 'win32') return `\\\\.\\pipe\\erpgw-${short}`
  const path = join(dataFolder, 'control.sock')
  return Buffer.byteLength(path) <= PATH_BYTES_MAX ? path : join(temporaryFolder, `erpgw-${short}.sock`)
}

export interface ControlServer {
  close(): Promise<void>
}

/** Listens for requests of the user who runs the gateway, and of nobody else. */
export async function serveControlSocket(
  path: string,
  serve: (request: unknown) => Promise<ControlAnswer>,
): Promise<ControlServer> {
  // The log's lock has shown that no other gateway runs here, so what lies at the path is left over.
  if (!path.startsWith('\\\\')) rmSync(path, { force: true })
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    readLine(socket)
      .then(async (line) => {
        const answer = await serve(parse(line))
        // People also look at it with tools of their own, on a terminal.
        socket.end(`${printableJson(JSON.stringify(answer))}\n`)
      })
      .catch(() => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  if (!path.startsWith('\\\\')) chmodSync(path, 0o600)
  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

/** Asks a running gateway; null when none listens there. */
export async function askGateway(path: string, request: ControlRequest): Promise<ControlAnswer | null> {
  const socket = createConnection(path)
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('The gateway did not answer in time.')))
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
  } catch (error) {
    socket.destroy()
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED') return null
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    throw new Error(`The gateway at ${path} belongs to another user; run erpgw as that user.`)
  }
  try {
    socket.write(`${JSON.stringify(request)}\n`)
    return JSON.parse(await readLine(socket)) as ControlAnswer
  } finally {
    socket.destroy()
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    socket.on('data', (chunk: Buffer) => {
      size += chunk.length
      chunks.push(chunk)
      if (chunk.includes(0x0a)) resolve(Buffer.concat(chunks).toString('utf8'))
      else if (size > LINE_BYTES_MAX) reject(new Error('The line is too long.'))
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('The gateway closed the connection without an answer.')))
  })
}
