/** The shortest text that reads back as the same float, of the four or eight bytes that hold it, the highest first. */
export function textOfFloat(bytes: Buffer): string {
  if (bytes.length === 8) return String(bytes.readDoubleBE())
  const value = bytes.readFloatBE()
  // Nine digits tell any two floats of four bytes apart.
  for (let digits = 1; digits < 9; digits += 1) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return String(Number(text))
  }
  return String(Number(value.toPrecision(9)))
}
