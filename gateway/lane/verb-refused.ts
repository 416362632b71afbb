/** A verb that cannot be carried out as things stand; the message says why and what to do. */
export class VerbRefused extends Error {
  override readonly name = 'VerbRefused'
}
