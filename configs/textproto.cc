// Memory for a text of T bytes, at most: a message takes 170 bytes and a text of its own 50, with
// at most 24 more in their list while it grows, so 13 T for one in 16 bytes; a long text takes T,
// and 8 T while it is read and an error quotes it.

#include "rcnn/configs/textproto.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/nearest_names.h"

namespace rcnn::configs {
namespace {

constexpr int kMaxDepth = 100;  // of nested messages
// Of small values, which take many times their text in memory. What rcnn writes and has many values
// are names of classes, of which `class_name: "a"` and its line break are the shortest: 16 bytes.
constexpr int64_t kFewValues = 10'000;
constexpr int64_t kBytesPerValue = 16;
constexpr size_t kMostShownOfName = 100;
constexpr size_t kMostShownOfError = 1000;

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::io::Tokenizer;

// The beginning of a text that may be as long as the file.
std::string Shown(const std::string& text, size_t most = kMostShownOfName) {
  return text.size() <= most ? text : absl::StrCat(text.substr(0, most), "...");
}

std::string Place(int line, int column) { return absl::StrCat(line + 1, ":", column + 1, ": "); }

// The message type with this name among `type` and the types it contains; null if
// there is none.
const Descriptor* FindType(const Descriptor& type, absl::string_view full_name,
                           std::set<const Descriptor*>& seen) {
  if (type.full_name() == full_name) return &type;
  if (!seen.insert(&type).second) return nullptr;
  for (int i = 0; i < type.field_count(); ++i) {
    const Descriptor* inner = type.field(i)->message_type();
    const Descriptor* found = inner == nullptr ? nullptr : FindType(*inner, full_name, seen);
    if (found != nullptr) return found;
  }
  return nullptr;
}

// The values of enum fields called `name` in `type` and the types it contains.
void CollectValues(const Descriptor& type, absl::string_view name,
                   std::set<const Descriptor*>& seen, std::vector<std::string>& values) {
  if (!seen.insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.enum_type() != nullptr && field.name() == name) {
      for (const std::string& value : ValueNames(*field.enum_type())) {
        if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
      }
    }
    if (field.message_type() != nullptr) CollectValues(*field.message_type(), name, seen, values);
  }
}

// The two names in protobuf's message about an unknown field or value; empty for
// other messages.
std::vector<std::string> QuotedNames(const std::string& message) {
  const std::vector<std::string> quoted = absl::StrSplit(message, '"');
  if (quoted.size() < 4) return {};
  return {quoted[1], quoted[3]};
}

bool IsUnknownField(const std::string& message) {
  return absl::StartsWith(message, "Message type \"") &&
         absl::StrContains(message, "has no field named \"");
}

std::string ExplainField(const std::string& message, const Descriptor& root) {
  const std::vector<std::string> quoted = QuotedNames(message);
  std::set<const Descriptor*> seen;
  const Descriptor* type = quoted.empty() ? nullptr : FindType(root, quoted[0], seen);
  if (type == nullptr) return Shown(message, kMostShownOfError);
  if (type->field_count() == 0) {
    return absl::StrCat("\"", type->name(), "\" has no fields, so no \"", Shown(quoted[1]), "\"");
  }
  return absl::StrCat("\"", type->name(), "\" has no field \"", Shown(quoted[1]),
                      "\"; it has: ", NearestFirst(quoted[1], FieldNames(*type)));
}

std::string ExplainValue(const std::string& message, const Descriptor& root) {
  const std::vector<std::string> quoted = QuotedNames(message);
  std::set<const Descriptor*> seen;
  std::vector<std::string> values;
  if (!quoted.empty()) CollectValues(root, quoted[1], seen, values);
  if (values.empty()) return Shown(message, kMostShownOfError);
  return absl::StrCat("\"", Shown(quoted[0]), "\" is not a value of \"", quoted[1],
                      "\"; it may be: ", NearestFirst(quoted[0], values));
}

// From 0; "" if there are fewer.
absl::string_view LineAt(absl::string_view text, int line) {
  for (; line > 0; --line) {
    const size_t end = text.find('\n');
    if (end == absl::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  FirstError(absl::string_view text, const Descriptor& root) : text_(text), root_(root) {}

  void AddError(int line, int column, const std::string& message) override {
    if (!error_.empty()) return;
    std::string explained;
    if (IsUnknownField(message)) {
      explained = ExplainField(message, root_);
      column = StartOfName(line, column, QuotedNames(message));
    } else if (absl::StartsWith(message, "Unknown enumeration value of")) {
      explained = ExplainValue(message, root_);
    } else {
      explained = Shown(message, kMostShownOfError);
    }
    error_ = absl::StrCat(line < 0 ? "" : Place(line, column), explained);
  }

  const std::string& error() const { return error_; }

 private:
  // protobuf's position is after an unknown name.
  int StartOfName(int line, int column, const std::vector<std::string>& names) const {
    if (names.empty() || line < 0) return column;
    const size_t found = LineAt(text_, line).substr(0, static_cast<size_t>(column)).rfind(names[1]);
    return found == absl::string_view::npos ? column : static_cast<int>(found);
  }

  const absl::string_view text_;
  const Descriptor& root_;
  std::string error_;
};

class NoErrors : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int /*line*/, int /*column*/, const std::string& /*message*/) override {}
};

// What is too much for a text of this size, with its place; "" if nothing is. Keeps nothing but one
// token and the one before it.
std::string FindExcess(absl::string_view text) {
  const int64_t most = kFewValues + static_cast<int64_t>(text.size()) / kBytesPerValue;
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  NoErrors silent;
  Tokenizer tokenizer(&stream, &silent);
  // Exactly as the parser has them, which would otherwise see braces where this sees a string: for
  // both a string ends with its line, which is an error after which the parser goes on.
  tokenizer.set_allow_f_after_float(true);
  tokenizer.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  int depth = 0;
  int64_t values = 0;
  while (tokenizer.Next()) {
    const Tokenizer::Token& token = tokenizer.current();
    if (token.type != Tokenizer::TYPE_SYMBOL) continue;
    const char symbol = token.text[0];
    if (symbol == '{' || symbol == '<' || symbol == '[') ++depth;
    if (symbol == '}' || symbol == '>' || symbol == ']') depth = std::max(0, depth - 1);
    // A message begins with a brace, the value of a field follows a colon or, in a list, a comma.
    if (symbol == '{' || symbol == '<' || symbol == ':' || symbol == ',') ++values;
    if (depth > kMaxDepth) {
      return absl::StrCat(Place(token.line, token.column), "nested deeper than ", kMaxDepth);
    }
    if (values > most) {
      return absl::StrCat(Place(token.line, token.column), "more than ", most,
                          " values, the limit for a text of this size");
    }
  }
  return "";
}

}  // namespace

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::vector<std::string> ValueNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) names.push_back(type.value(i)->name());
  return names;
}

absl::Status CheckTextprotoSize(absl::string_view text) {
  const std::string excess = FindExcess(text);
  return excess.empty() ? absl::OkStatus() : absl::InvalidArgumentError(excess);
}

absl::Status ParseTextproto(absl::string_view text, absl::string_view source,
                            google::protobuf::Message* message) {
  const std::string excess = FindExcess(text);
  if (!excess.empty()) return absl::InvalidArgumentError(absl::StrCat(source, ":", excess));
  FirstError error(text, *message->GetDescriptor());
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.SetRecursionLimit(kMaxDepth);
  if (parser.ParseFromString(std::string(text), message)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(source, ":", error.error()));
}

}  // namespace rcnn::configs
