#include "rcnn/training/config/config_override.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/optional.h"
#include "rcnn/base/nearest_names.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/textproto.h"

namespace rcnn::training {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;

absl::Status Invalid(absl::string_view message) { return absl::InvalidArgumentError(message); }

// One part of a path: "name" or "name[index]".
struct Step {
  std::string name;
  absl::optional<int> index;
};

absl::StatusOr<Step> ParseStep(absl::string_view text) {
  const size_t bracket = text.find('[');
  if (bracket == absl::string_view::npos) return Step{std::string(text), absl::nullopt};
  int index = 0;
  if (!absl::EndsWith(text, "]") ||
      !absl::SimpleAtoi(text.substr(bracket + 1, text.size() - bracket - 2), &index) || index < 0) {
    return Invalid(absl::StrCat("\"", text, "\" is not of the form name[index]"));
  }
  return Step{std::string(text.substr(0, bracket)), index};
}

absl::StatusOr<const FieldDescriptor*> FindField(const Message& message, const std::string& name) {
  const Descriptor& type = *message.GetDescriptor();
  if (const FieldDescriptor* field = type.FindFieldByName(name)) return field;
  const std::vector<std::string> names = configs::FieldNames(type);
  if (names.empty()) return Invalid(absl::StrCat(type.name(), " has no fields"));
  return Invalid(absl::StrCat(type.name(), " has no field \"", name,
                              "\"; it has: ", NearestFirst(name, names)));
}

absl::Status CheckIndex(const Message& message, const FieldDescriptor& field, int index) {
  const int size = message.GetReflection()->FieldSize(message, &field);
  if (index < size) return absl::OkStatus();
  return Invalid(absl::StrCat(field.name(), "[", index, "] is out of range: the list has ", size,
                              " elements, counted from 0"));
}

std::string ElementName(const Message& element) {
  const FieldDescriptor* field = element.GetDescriptor()->FindFieldByName("name");
  return element.GetReflection()->GetString(element, field);
}

bool HasNames(const FieldDescriptor& field) {
  const Descriptor* type = field.message_type();
  const FieldDescriptor* name = type == nullptr ? nullptr : type->FindFieldByName("name");
  return name != nullptr && name->cpp_type() == FieldDescriptor::CPPTYPE_STRING &&
         !name->is_repeated();
}

// The index of the list element whose name begins `rest`; removes the name from `rest`.
// Names may contain dots, so the longest match wins.
absl::StatusOr<int> TakeNamed(const Message& message, const FieldDescriptor& field,
                              absl::string_view& rest) {
  const Reflection& reflection = *message.GetReflection();
  absl::optional<int> found;
  size_t length = 0;
  std::vector<std::string> names;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    names.push_back(ElementName(reflection.GetRepeatedMessage(message, &field, i)));
    const std::string& name = names.back();
    const bool fits = rest == name || absl::StartsWith(rest, absl::StrCat(name, "."));
    if (!fits || name.size() <= length) continue;
    found = i;
    length = name.size();
  }
  if (!found.has_value()) {
    const std::string wanted(rest.substr(0, rest.find('.')));
    return Invalid(absl::StrCat(field.name(), " has no \"", wanted,
                                "\"; there are: ", NearestFirst(wanted, names)));
  }
  rest.remove_prefix(std::min(length + 1, rest.size()));
  return *found;
}

absl::Status CheckOneof(const Message& message, const FieldDescriptor& field) {
  const OneofDescriptor* oneof = field.containing_oneof();
  if (oneof == nullptr) return absl::OkStatus();
  const FieldDescriptor* there = message.GetReflection()->GetOneofFieldDescriptor(message, oneof);
  if (there == nullptr || there == &field) return absl::OkStatus();
  return Invalid(absl::StrCat(
      "\"", there->name(), "\" is already set, and only one of it and \"", field.name(),
      "\" can be; to replace it, assign all of it: ", field.name(), "={ ... }"));
}

// Quotes a string that was given without quotes.
std::string ValueText(const FieldDescriptor& field, absl::string_view value) {
  const bool bare = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING &&
                    !absl::StartsWith(value, "\"") && !absl::StartsWith(value, "'") &&
                    !(field.is_repeated() && absl::StartsWith(value, "["));
  return bare ? absl::StrCat("\"", absl::CEscape(value), "\"") : std::string(value);
}

// Parses "field: value" into a new message of the same type as `message`.
absl::StatusOr<std::unique_ptr<Message>> ParseValue(const Message& message,
                                                    const FieldDescriptor& field,
                                                    absl::string_view value) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !absl::StartsWith(value, "{") &&
      !(field.is_repeated() && absl::StartsWith(value, "["))) {
    return Invalid(absl::StrCat(field.name(), " is a message: write { ... } with any of ",
                                NearestFirst(value, configs::FieldNames(*field.message_type()))));
  }
  std::unique_ptr<Message> parsed(message.New());
  const std::string text = absl::StrCat(field.name(), ": ", ValueText(field, value));
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(text, "value", parsed.get()));
  std::vector<const FieldDescriptor*> set;
  parsed->GetReflection()->ListFields(*parsed, &set);
  // "1 other_field: 2" would otherwise set the other field as well.
  if (set.size() > 1 || (set.size() == 1 && set[0] != &field)) {
    return Invalid(absl::StrCat("\"", value, "\" is more than one value"));
  }
  return parsed;
}

// Element `index` of the list becomes the only element of `source`'s.
void SetElement(const FieldDescriptor& field, int index, Message* source, Message* target) {
  const Reflection& reflection = *target->GetReflection();
  // Appends it, swaps it into its place, and drops the old one.
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    reflection.AddAllocatedMessage(target, &field, reflection.ReleaseLast(source, &field));
  } else {
    target->MergeFrom(*source);
  }
  reflection.SwapElements(target, &field, index, reflection.FieldSize(*target, &field) - 1);
  reflection.RemoveLast(target, &field);
}

// `value` is not empty.
absl::Status AssignElement(Message* message, const FieldDescriptor& field, int index,
                           absl::string_view value) {
  RCNN_ASSIGN_OR_RETURN(auto parsed, ParseValue(*message, field, value));
  if (parsed->GetReflection()->FieldSize(*parsed, &field) != 1) {
    return Invalid(absl::StrCat("an element takes one value, not \"", value, "\""));
  }
  SetElement(field, index, parsed.get(), message);
  return absl::OkStatus();
}

// Later elements keep their order.
void RemoveElement(Message* message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message->GetReflection();
  for (int i = index; i + 1 < reflection.FieldSize(*message, &field); ++i) {
    reflection.SwapElements(message, &field, i, i + 1);
  }
  reflection.RemoveLast(message, &field);
}

absl::Status Assign(Message* message, const FieldDescriptor& field, absl::optional<int> index,
                    absl::string_view value) {
  const Reflection& reflection = *message->GetReflection();
  if (index.has_value()) {
    RCNN_RETURN_IF_ERROR(CheckIndex(*message, field, *index));
    if (!value.empty()) return AssignElement(message, field, *index, value);
    RemoveElement(message, field, *index);
    return absl::OkStatus();
  }
  if (value.empty()) {
    reflection.ClearField(message, &field);
    return absl::OkStatus();
  }
  RCNN_ASSIGN_OR_RETURN(auto parsed, ParseValue(*message, field, value));
  reflection.ClearField(message, &field);
  message->MergeFrom(*parsed);
  return absl::OkStatus();
}

absl::Status ApplyAt(Message* message, absl::string_view rest, absl::string_view value);

// Follows `field` into its message.
absl::Status Descend(Message* message, const FieldDescriptor& field, absl::optional<int> index,
                     absl::string_view rest, absl::string_view value) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return Invalid(absl::StrCat("\"", field.name(), "\" is a plain value and has no fields"));
  }
  RCNN_RETURN_IF_ERROR(CheckOneof(*message, field));
  const Reflection& reflection = *message->GetReflection();
  if (!field.is_repeated()) return ApplyAt(reflection.MutableMessage(message, &field), rest, value);
  if (index.has_value()) {
    RCNN_RETURN_IF_ERROR(CheckIndex(*message, field, *index));
    return ApplyAt(reflection.MutableRepeatedMessage(message, &field, *index), rest, value);
  }
  if (!HasNames(field)) {
    return Invalid(absl::StrCat("\"", field.name(), "\" is a list: write ", field.name(), "[0], ",
                                field.name(), "[1], ..."));
  }
  RCNN_ASSIGN_OR_RETURN(const int named, TakeNamed(*message, field, rest));
  if (rest.empty()) return Assign(message, field, named, value);
  return ApplyAt(reflection.MutableRepeatedMessage(message, &field, named), rest, value);
}

// The number after the name of a list, "0" in "stages.0.name", unless an element has
// that name.
absl::optional<int> NumberBehind(const Message& message, const FieldDescriptor& field,
                                 absl::string_view rest) {
  const absl::string_view part = rest.substr(0, rest.find('.'));
  int index = 0;
  if (part.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(part, &index)) {
    return absl::nullopt;
  }
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; HasNames(field) && i < reflection.FieldSize(message, &field); ++i) {
    if (ElementName(reflection.GetRepeatedMessage(message, &field, i)) == part) {
      return absl::nullopt;
    }
  }
  return index;
}

absl::Status ApplyAt(Message* message, absl::string_view rest, absl::string_view value) {
  const size_t dot = rest.find('.');
  RCNN_ASSIGN_OR_RETURN(const Step step, ParseStep(rest.substr(0, dot)));
  RCNN_ASSIGN_OR_RETURN(const FieldDescriptor* const field, FindField(*message, step.name));
  if (step.index.has_value() && !field->is_repeated()) {
    return Invalid(absl::StrCat("\"", field->name(), "\" is not a list: remove the index"));
  }
  if (dot == absl::string_view::npos) return Assign(message, *field, step.index, value);
  if (field->is_repeated() && !step.index.has_value()) {
    const absl::string_view behind = rest.substr(dot + 1);
    const absl::optional<int> number = NumberBehind(*message, *field, behind);
    const size_t next = behind.find('.');
    if (number.has_value() && next == absl::string_view::npos) {
      return Assign(message, *field, number, value);
    }
    if (number.has_value()) {
      return Descend(message, *field, number, behind.substr(next + 1), value);
    }
  }
  return Descend(message, *field, step.index, rest.substr(dot + 1), value);
}

}  // namespace

absl::Status ApplyOverride(absl::string_view assignment, Message* config) {
  const size_t equals = assignment.find('=');
  const std::string context = absl::StrCat("--set ", assignment);
  if (equals == absl::string_view::npos || equals == 0) {
    return Invalid(absl::StrCat(context, ": not of the form path.to.field=value"));
  }
  std::unique_ptr<Message> changed(config->New());
  changed->CopyFrom(*config);
  const absl::string_view path = absl::StripAsciiWhitespace(assignment.substr(0, equals));
  const absl::string_view value = absl::StripAsciiWhitespace(assignment.substr(equals + 1));
  RCNN_RETURN_IF_ERROR(ApplyAt(changed.get(), path, value), context);
  config->GetReflection()->Swap(config, changed.get());
  return absl::OkStatus();
}

}  // namespace rcnn::training
