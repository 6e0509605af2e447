#include "rcnn/training/message_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rcnn::training {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// `index` -1: the field is not repeated.
std::string ScalarText(const Message& message, const FieldDescriptor& field, int index) {
  std::string text;
  google::protobuf::TextFormat::PrintFieldValueToString(message, &field, index, &text);
  return text;
}

std::string ListText(const Message& message, const FieldDescriptor& field, int size) {
  std::vector<std::string> texts;
  for (int i = 0; i < size; ++i) texts.push_back(ScalarText(message, field, i));
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "]");
}

void AddMessage(const Message& message, const std::string& path, FieldMap& fields) {
  const size_t before = fields.size();
  AddMessageFields(message, absl::StrCat(path, "."), fields);
  if (fields.size() == before) fields[path] = "{}";
}

}  // namespace

void AddMessageFields(const Message& message, absl::string_view prefix, FieldMap& fields) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> set;
  reflection.ListFields(message, &set);
  for (const FieldDescriptor* field : set) {
    const std::string path = absl::StrCat(prefix, field->name());
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!field->is_repeated()) {
      if (is_message) {
        AddMessage(reflection.GetMessage(message, field), path, fields);
      } else {
        fields[path] = ScalarText(message, *field, -1);
      }
      continue;
    }
    const int size = reflection.FieldSize(message, field);
    if (!is_message) {
      fields[path] = ListText(message, *field, size);
      continue;
    }
    for (int i = 0; i < size; ++i) {
      AddMessage(reflection.GetRepeatedMessage(message, field, i), absl::StrCat(path, "[", i, "]"),
                 fields);
    }
  }
}

}  // namespace rcnn::training
