import { createConnection, createServer, type Server, type Socket } from 'node:net'

/** A server on this machine that stands for a source, or before one. */
export type Listening = Readonly<{ port: number; close(): Promise<void> }>

/** Takes every connection and never says a word. */
export function openHanging(): Promise<Listening> {
  return listen(() => undefined)
}

/** What a server says until its log-in is through. */
const SWIFT_BYTES = 1_500
const DRIP_MS = 1_000

/** Stands before a server: what that says comes through as it is up to the log-in, and then one byte a second. */
export function openDripping(target: Readonly<{ host: string; port: number }>): Promise<Listening> {
  return listen((client) => {
    const server = createConnection({ host: target.host, port: target.port })
    server.on('error', () => client.destroy())
    client.pipe(server)
    let swift = SWIFT_BYTES
    const waiting: Buffer[] = []
    server.on('data', (chunk: Buffer) => {
      const now = chunk.subarray(0, swift)
      swift -= now.length
      if (now.length > 0) client.write(now)
      if (now.length < chunk.length) waiting.push(chunk.subarray(now.length))
      if (waiting.length > 0) server.pause()
    })
    const drip = setInterval(() => {
      const [first] = waiting
      if (first === undefined) return
      client.write(first.subarray(0, 1))
      if (first.length > 1) waiting[0] = first.subarray(1)
      else waiting.shift()
      if (waiting.length === 0) server.resume()
    }, DRIP_MS)
    client.on('close', () => {
      clearInterval(drip)
      server.destroy()
    })
  })
}

async function listen(serve: (socket: Socket) => void): Promise<Listening> {
  const open = new Set<Socket>()
  const server: Server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A TCP server has a port.')
  return {
    port: address.port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
