// What libFuzzer does, in small, for compilers that come without it: changes inputs at random and keeps those
// that reach code that no other one has reached.
//
//     fuzz-… <seconds> <seed> <file>...
//
// An input that crashes is left in the file "crash".
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)());

namespace {

using Input = std::vector<uint8_t>;

constexpr size_t kPlaces = 1 << 16;
constexpr size_t kLongest = 1 << 16;
std::array<bool, kPlaces> reached;
size_t reached_count = 0;
Input current;

void keep_crash() {
  std::ofstream("crash", std::ios::binary)
      .write(reinterpret_cast<const char*>(current.data()), static_cast<std::streamsize>(current.size()));
  std::cerr << "The input of " << current.size() << " bytes is in ./crash\n";
}

void on_abort(int) {
  keep_crash();
  std::_Exit(1);
}

Input read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::cerr << "Cannot read " << path << "\n";
    std::exit(1);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  Input mutate(Input input, const Input& other) {
    for (size_t changes = 1 + below(4); changes > 0; --changes) change(input, other);
    if (input.size() > kLongest) input.resize(kLongest);
    return input;
  }

 private:
  void change(Input& input, const Input& other) {
    const size_t at = below(input.size());
    switch (below(8)) {
      case 0:
        if (!input.empty()) input[at] ^= static_cast<uint8_t>(1u << below(8));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<uint8_t>(random_());
        break;
      case 2:
        write_number(input, at);
        break;
      case 3:
        change_digit(input, at);
        break;
      case 4:
        input.erase(input.begin() + at,
                    input.begin() + at + below(std::min<size_t>(64, input.size() - at + 1)));
        break;
      case 5:
        insert(input, at, input);
        break;
      case 6:
        insert(input, at, other);
        break;
      default:
        input.resize(below(input.size() + 1));
    }
  }

  // Sizes and offsets at which arithmetic overflows or wraps.
  void write_number(Input& input, size_t at) {
    static constexpr uint64_t kNumbers[] = {0,
                                            1,
                                            0x7f,
                                            0x80,
                                            0xff,
                                            0x7fff,
                                            0xffff,
                                            0x7fffffff,
                                            0x80000000,
                                            0xffffffff,
                                            uint64_t{1} << 62,
                                            INT64_MAX,
                                            uint64_t{1} << 63,
                                            UINT64_MAX - 8,
                                            UINT64_MAX};
    const uint64_t number = kNumbers[below(std::size(kNumbers))];
    const size_t width = size_t{1} << below(4);
    for (size_t i = 0; i < width && at + i < input.size(); ++i) {
      input[at + i] = static_cast<uint8_t>(number >> (8 * i));
    }
  }

  // Of a number that is written out.
  void change_digit(Input& input, size_t at) {
    for (size_t i = at; i < input.size(); ++i) {
      if (input[i] < '0' || input[i] > '9') continue;
      input[i] = static_cast<uint8_t>('0' + below(10));
      return;
    }
  }

  void insert(Input& input, size_t at, const Input& source) {
    const size_t from = below(source.size());
    const Input piece(source.begin() + from,
                      source.begin() + from + below(std::min<size_t>(64, source.size() - from + 1)));
    input.insert(input.begin() + at, piece.begin(), piece.end());
  }

  std::mt19937_64 random_;
};

// Whether the input reached anything new.
bool run(Input input) {
  const size_t before = reached_count;
  current = std::move(input);
  LLVMFuzzerTestOneInput(current.data(), current.size());
  return reached_count > before;
}

}  // namespace

// Called by the code under test at every branch.
extern "C" void __sanitizer_cov_trace_pc() {
  const auto address = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  bool& place = reached[(address ^ (address >> 16)) % kPlaces];
  if (place) return;
  place = true;
  ++reached_count;
}

int main(int count, char** arguments) {
  if (count < 4) {
    std::cerr << "usage: " << arguments[0] << " <seconds> <seed> <file>...\n";
    return 2;
  }
  __sanitizer_set_death_callback(keep_crash);
  std::signal(SIGABRT, on_abort);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::stol(arguments[1]));
  Mutator mutator(std::stoull(arguments[2]));

  std::vector<Input> corpus;
  for (int i = 3; i < count; ++i) {
    corpus.push_back(read_file(arguments[i]));
    run(corpus.back());
  }
  const size_t from_seeds = reached_count;
  size_t executions = 0;
  for (; std::chrono::steady_clock::now() < end; ++executions) {
    const Input& parent = corpus[mutator.below(corpus.size())];
    const Input& other = corpus[mutator.below(corpus.size())];
    if (run(mutator.mutate(parent, other))) corpus.push_back(current);
  }
  std::cout << executions << " inputs, " << corpus.size() << " kept; they reach " << reached_count
            << " places, the files alone " << from_seeds << "\n";
}
