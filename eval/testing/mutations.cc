#include "rcnn/eval/testing/mutations.h"

#include <algorithm>
#include <iterator>
#include <random>

namespace rcnn::eval::testing {
namespace {

constexpr absl::string_view kTokens[] = {"nan",
                                         "-inf",
                                         "1e999",
                                         "-1",
                                         "0",
                                         "1e-320",
                                         "99999999999999999999",
                                         "1e18",
                                         ",",
                                         "\n",
                                         "\r\n",
                                         "\t",
                                         " ",
                                         "\"",
                                         "[",
                                         "]",
                                         "{",
                                         "}",
                                         "[[[[[[[[",
                                         ":",
                                         "null",
                                         "true",
                                         "{}",
                                         "\\u0000",
                                         "\xff\xfe",
                                         "\xef\xbb\xbf",
                                         "-",
                                         "%n%s"};

class Mutation {
 public:
  explicit Mutation(uint64_t seed) : random_(seed) {}

  void Apply(std::string& text) {
    switch (Below(7)) {
      case 0:
        if (!text.empty()) text[Below(text.size())] ^= static_cast<char>(1 << Below(8));
        break;
      case 1:
        if (!text.empty()) text[Below(text.size())] = static_cast<char>(Below(256));
        break;
      case 2:
        text.erase(Below(text.size() + 1), 1 + Below(8));
        break;
      case 3:
        text.insert(Below(text.size() + 1), Part(text));
        break;
      case 4: {
        const std::string part = Part(text);
        text.erase(text.find(part), part.size());
        text.insert(Below(text.size() + 1), part);
        break;
      }
      case 5:
        text.resize(text.size() - Below(std::min<size_t>(text.size(), 40) + 1));
        break;
      default:
        text.insert(Below(text.size() + 1), std::string(kTokens[Below(std::size(kTokens))]));
    }
  }

  size_t Below(size_t end) { return static_cast<size_t>(random_() % end); }

 private:
  std::string Part(const std::string& text) {
    return text.substr(Below(text.size() + 1), 1 + Below(30));
  }

  std::mt19937_64 random_;
};

}  // namespace

std::string Mutate(absl::string_view text, uint64_t seed) {
  Mutation mutation(seed);
  std::string mutated(text);
  for (size_t edits = 1 + mutation.Below(4); edits > 0; --edits) mutation.Apply(mutated);
  return mutated;
}

}  // namespace rcnn::eval::testing
