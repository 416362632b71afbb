import { z } from 'zod'
import type { Json } from '../../adapters/contract.ts'
import type { Gateway } from '../gateway.ts'
import { VerbRefused } from '../lane/verb-refused.ts'

const decision = z.strictObject({ by: z.string().max(200), reason: z.string().min(1).max(2_000) })
const lane = { source: z.string(), feed: z.string() }
/** Version of the mapping as it stands on disk for who asks. A verb about a mapping is refused under another one. */
const mapping = z.string().optional()

/**
 * What may be asked of a running gateway over its control socket. The socket belongs to the user that runs the gateway;
 * who can open it may ask everything.
 */
const controlRequest = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.literal('status') }),
  z.strictObject({ verb: z.literal('check'), source: z.string() }),
  z.strictObject({ verb: z.literal('preview'), ...lane, limit: z.number().int().min(1).max(1_000) }),
  z.strictObject({
    verb: z.enum(['pause', 'resume', 'wake']),
    source: z.string(),
    feed: z.string().nullable(),
    decision,
  }),
  z.strictObject({ verb: z.literal('decide'), ...lane, allow: z.boolean(), decision }),
  z.strictObject({ verb: z.literal('resync'), ...lane, newLineage: z.boolean(), decision }),
  z.strictObject({
    verb: z.literal('remap'),
    ...lane,
    mode: z.enum(['publish', 'quiet']),
    mapping,
    decision,
  }),
  z.strictObject({ verb: z.literal('retry-rejects'), ...lane, mapping }),
  z.strictObject({
    verb: z.literal('reconcile'),
    ...lane,
    begin: z.strictObject({ heal: z.boolean(), beyondFuse: z.boolean() }).nullable(),
    decision,
  }),
])

export type ControlRequest = z.output<typeof controlRequest>

/** One line each way. */
export type ControlAnswer = Readonly<
  { ok: true; value: Json } | { ok: false; refused: boolean; message: string }
>

/** Serves one request. Never throws: what goes wrong is an answer. */
export async function serveControl(gateway: Gateway, request: unknown): Promise<ControlAnswer> {
  const parsed = controlRequest.safeParse(request)
  if (!parsed.success) {
    const message = `The gateway does not understand the request: ${z.prettifyError(parsed.error)}. Is erpgw of the same version?`
    return { ok: false, refused: true, message }
  }
  try {
    return { ok: true, value: await carryOut(gateway, parsed.data) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ok: false, refused: error instanceof VerbRefused, message }
  }
}

async function carryOut(gateway: Gateway, request: ControlRequest): Promise<Json> {
  if (request.verb === 'status') return (await gateway.status()) as unknown as Json
  const { source, ...verb } = request
  return gateway.request(source, verb)
}
