// Workers Analytics Engine on this machine: a point is a line on the console. Plain workerd has none. What the platform would refuse
// is refused here, too.

export default function () {
  return {
    writeDataPoint({ indexes = [], blobs = [], doubles = [] }) {
      if (indexes.length !== 1 || indexes[0].length > 96) throw new TypeError("one index of at most 96 bytes");
      if (blobs.length > 20 || !blobs.every((blob) => typeof blob === "string")) throw new TypeError("at most 20 texts");
      if (doubles.length > 20 || !doubles.every(Number.isFinite)) throw new TypeError("at most 20 numbers");
      console.log(`point ${JSON.stringify({ indexes, blobs, doubles })}`);
    },
  };
}
