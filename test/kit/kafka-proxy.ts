import { connect, createServer, type Socket } from 'node:net'

/** What happens to requests of one kind, by their key in Kafka's protocol. */
export type Loss = Readonly<{ apiKey: number; lose: 'request' | 'answer' }>

/** Stands between clients and a broker on loopback, understands as much of what passes as it takes to lose some of it. */
export interface KafkaProxy {
  readonly address: string
  /** Loses the next request of this kind, or the answer to it; the connection breaks then. */
  loseNext(loss: Loss): void
  /** Connections stay open, and nothing passes until `release`. */
  hold(): void
  release(): void
  /** Breaks every connection. */
  cut(): void
  /** How many requests of a kind have passed. */
  passed(apiKey: number): number
  close(): Promise<void>
}

/** Listens on a port of loopback at once, and forwards to where `target` says, whenever a client connects. */
export async function startKafkaProxy(target: () => string): Promise<KafkaProxy> {
  const links = new Set<Link>()
  const counts = new Map<number, number>()
  const state: State = { loss: null, isHeld: false, counts }
  const server = createServer((client) => {
    const { hostname, port } = new URL(`kafka://${target()}`)
    const link = createLink(client, connect({ host: hostname, port: Number(port) }), state)
    links.add(link)
    client.on('close', () => links.delete(link))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.')
  const cut = () => {
    for (const link of links) link.end()
  }
  return {
    address: `127.0.0.1:${address.port}`,
    cut,
    loseNext(loss) {
      state.loss = loss
    },
    hold() {
      state.isHeld = true
    },
    release() {
      state.isHeld = false
      for (const link of links) link.flush()
    },
    passed: (apiKey) => counts.get(apiKey) ?? 0,
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type State = { loss: Loss | null; isHeld: boolean; readonly counts: Map<number, number> }
type Link = Readonly<{ flush(): void; end(): void }>

function createLink(client: Socket, broker: Socket, state: State): Link {
  const waiting: (() => void)[] = []
  let awaited: number | null = null
  const end = () => {
    client.destroy()
    broker.destroy()
  }
  const pass = (forward: () => void) => {
    if (state.isHeld) waiting.push(forward)
    else forward()
  }
  const onRequest = (frame: Buffer) => {
    const apiKey = frame.readInt16BE(4)
    state.counts.set(apiKey, (state.counts.get(apiKey) ?? 0) + 1)
    if (state.loss?.apiKey === apiKey) {
      const { lose } = state.loss
      state.loss = null
      if (lose === 'request') return end()
      awaited = frame.readInt32BE(8)
    }
    broker.write(frame)
  }
  const onAnswer = (frame: Buffer) => {
    if (frame.readInt32BE(4) === awaited) end()
    else client.write(frame)
  }
  client.on(
    'data',
    frames((frame) => pass(() => onRequest(frame))),
  )
  broker.on(
    'data',
    frames((frame) => pass(() => onAnswer(frame))),
  )
  for (const socket of [client, broker]) {
    socket.on('error', end)
    socket.on('close', end)
  }
  return {
    end,
    flush() {
      for (const forward of waiting.splice(0)) forward()
    },
  }
}

/** Cuts a stream into frames, each with its length before it. */
function frames(take: (frame: Buffer) => void): (chunk: Buffer) => void {
  let received = Buffer.alloc(0)
  return (chunk) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
      const length = 4 + received.readInt32BE(0)
      take(received.subarray(0, length))
      received = received.subarray(length)
    }
  }
}
