#include "rcnn/detection/weights/pickle_node.h"

#include "gtest/gtest.h"

namespace rcnn::detection::weights {
namespace {

PickleNode Text(const char* text) {
  PickleNode node;
  node.kind = PickleKind::kString;
  node.text = text;
  return node;
}

TEST(FindInDictTest, TheLastOfEqualKeysIsFound) {
  const PickleNode a = Text("a"), b = Text("b"), first = Text("1"), second = Text("2");
  PickleNode dict;
  dict.kind = PickleKind::kDict;
  dict.items = {&a, &first, &b, &first, &a, &second};
  EXPECT_EQ(FindInDict(dict, "a"), &second);
  EXPECT_EQ(FindInDict(dict, "b"), &first);
  EXPECT_EQ(FindInDict(dict, "1"), nullptr) << "a value";
  dict.kind = PickleKind::kList;
  EXPECT_EQ(FindInDict(dict, "a"), nullptr);
}

TEST(FindInDictTest, AKeyIsAString) {
  PickleNode key = Text("a");
  PickleNode dict;
  dict.kind = PickleKind::kDict;
  dict.items = {&key, &key};
  key.kind = PickleKind::kBytes;
  EXPECT_EQ(FindInDict(dict, "a"), nullptr);
}

TEST(PickleKindNameTest, NamesTheLastKind) {
  EXPECT_EQ(PickleKindName(PickleKind::kNone), "None");
  EXPECT_EQ(PickleKindName(PickleKind::kOther), "an object of another kind");
}

}  // namespace
}  // namespace rcnn::detection::weights
