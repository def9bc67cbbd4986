import { batch, calmly, computed, effect, isCalmNow, signal } from "/dashboard/static/ui/signals.js";
import { errorsOf, same } from "./check.js";

export default {
  "an effect runs now, and when what it read has changed"() {
    const [count, seen] = [signal(1), []];
    const stop = effect(() => void seen.push(count.value));
    count.value = 2;
    count.value = 2;
    stop();
    count.value = 3;
    same(seen, [1, 2]);
  },
  "an effect follows what it read last"() {
    const [which, left, right, seen] = [signal("left"), signal(1), signal(10), []];
    effect(() => void seen.push(which.value === "left" ? left.value : right.value));
    right.value = 11;
    which.value = "right";
    left.value = 2;
    right.value = 12;
    same(seen, [1, 11, 12]);
  },
  "what follows from a value is computed once, and only if it is asked for"() {
    const count = signal(1);
    let runs = 0;
    const twice = computed(() => (runs++, count.value * 2));
    same(runs, 0);
    same([twice.value, twice.value, runs], [2, 2, 1]);
    count.value = 5;
    same(runs, 1);
    same([twice.value, runs], [10, 2]);
    const stop = effect(() => void twice.value);
    count.value = 6;
    same([twice.value, runs], [12, 3]);
    stop();
    count.value = 7;
    same(runs, 3);
    same(twice.value, 14);
  },
  "an effect does not run again for a computed value that stays the same"() {
    const [count, seen] = [signal(1), []];
    const isEven = computed(() => count.value % 2 === 0);
    effect(() => void seen.push(isEven.value));
    count.value = 3;
    count.value = 5;
    count.value = 6;
    same(seen, [false, true]);
  },
  "of a diamond, the end is seen only as a whole"() {
    const [count, seen] = [signal(1), []];
    const [plus, times] = [computed(() => count.value + 1), computed(() => count.value * 10)];
    const sum = computed(() => plus.value + times.value);
    effect(() => void seen.push(sum.value));
    count.value = 2;
    same(seen, [12, 23]);
  },
  "a batch is one change"() {
    const [left, right, seen] = [signal(1), signal(2), []];
    effect(() => void seen.push(left.value + right.value));
    batch(() => {
      left.value = 10;
      batch(() => (right.value = 20));
      left.value = 11;
    });
    same(seen, [3, 31]);
  },
  "what an effect returned runs before the next time, and at the end"() {
    const [count, seen] = [signal(1), []];
    const stop = effect(() => {
      const now = count.value;
      return () => seen.push(`end of ${now}`);
    });
    count.value = 2;
    stop();
    stop();
    same(seen, ["end of 1", "end of 2"]);
  },
  "peek makes nothing depend"() {
    const [count, seen] = [signal(1), []];
    effect(() => void seen.push(count.peek()));
    count.value = 2;
    same(seen, [1]);
  },
  async "an error of one effect stops no other, and it runs again"() {
    const [count, seen] = [signal(1), []];
    effect(() => {
      if (count.value === 2) throw new Error("two");
      seen.push(`first ${count.value}`);
    });
    effect(() => void seen.push(count.value));
    same(await errorsOf(() => (count.value = 2)), ["two"]);
    count.value = 3;
    same(seen, ["first 1", 1, 2, "first 3", 3]);
  },
  "an error of a computed value is one of its reader, each time"() {
    const count = signal(0);
    const share = computed(() => {
      if (count.value === 0) throw new Error("none");
      return 1 / count.value;
    });
    for (const _ of [1, 2]) {
      try {
        void share.value;
        same("a value", "an error");
      } catch (error) {
        same(error.message, "none");
      }
    }
    count.value = 4;
    same(share.value, 0.25);
  },
  async "effects that change what they depend on end with an error"() {
    const [count, other] = [signal(0), signal(1)];
    const errors = await errorsOf(() => effect(() => void (count.value = count.value + other.value)));
    same(errors, ["effects change what they depend on, without an end"]);
    const settles = signal(0);
    effect(() => void (settles.value = Math.min(5, settles.value + 1)));
    same(settles.value, 5);
  },
  "an effect that ended is not run by a batch that is open"() {
    const [count, seen] = [signal(1), []];
    const stop = effect(() => void seen.push(count.value));
    batch(() => {
      count.value = 2;
      stop();
    });
    same(seen, [1]);
  },
  "whether a change is calm is known to what it runs"() {
    const [count, seen] = [signal(1), []];
    effect(() => void seen.push([count.value, isCalmNow()]));
    calmly(() => (count.value = 2));
    count.value = 3;
    same(seen, [[1, false], [2, true], [3, false]]);
  },
};
